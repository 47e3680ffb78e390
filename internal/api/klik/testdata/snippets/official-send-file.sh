curl --request POST \
    "https://klik.social/api/v1/official-device/send-file" \
    --header "Authorization: Bearer {YOUR_AUTH_KEY}" \
    --header "Content-Type: application/json" \
    --data "{
    \"mobile\": \"919999999999\",
    \"file\": \"iVBORw0KGgoAAA...\"
}"
