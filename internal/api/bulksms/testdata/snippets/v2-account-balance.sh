curl --request GET \
    --get "http://localhost/api/v2/account/balance" \
    --header "Content-Type: application/json" \
    --header "Accept: application/json"
