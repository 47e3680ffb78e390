curl --request GET \
    --get "https://klik.social/api/v1/official-device/status" \
    --header "Authorization: Bearer {YOUR_AUTH_KEY}"
