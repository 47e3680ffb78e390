curl --request POST \
    "https://klik.social/api/v1/official-device/send-message" \
    --header "Authorization: Bearer {YOUR_AUTH_KEY}" \
    --header "Content-Type: application/json" \
    --data "{
    \"mobile\": \"919999999999\",
    \"message\": \"Hello buddy\",
    \"image\": \"iVBORw0KGgoAAA...\"
}"
