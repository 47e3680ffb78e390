const url = new URL(
    "https://klik.social/api/healthcheck"
);

fetch(url, {
    method: "GET",
}).then(response => response.json());
