curl --request POST \
    "http://localhost/api/revoke-key" \
    --header "Content-Type: application/json" \
    --header "Accept: application/json"
