curl --request GET \
    --get "http://localhost/api/v2" \
    --header "Content-Type: application/json" \
    --header "Accept: application/json"
