curl --request POST \
    "https://klik.social/api/v1/auth-by-email" \
    --header "X-API-KEY: string required Internal API key." \
    --header "Content-Type: application/json" \
    --data "{
    \"email\": \"[email protected]\",
    \"name\": \"Jane Doe\",
    \"created_from\": \"external-project\"
}"
