curl --request POST \
    "https://klik.social/api/v1/ffd7f83e-06c3-47c8-a6a1-dd943da13b5f/send-message" \
    --header "Authorization: Bearer {YOUR_AUTH_KEY}" \
    --header "Content-Type: application/json" \
    --data "{
    \"mobile\": \"919999999999\",
    \"message\": \"Hello buddy\",
    \"image\": \"iVBORw0KGgoAAA...\"
}"
