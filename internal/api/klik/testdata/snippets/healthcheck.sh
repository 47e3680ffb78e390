curl --request GET \
    --get "https://klik.social/api/healthcheck"
