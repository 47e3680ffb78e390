curl --request GET \
    --get "http://localhost/api/v2/sms/send" \
    --header "Content-Type: application/json" \
    --header "Accept: application/json"
