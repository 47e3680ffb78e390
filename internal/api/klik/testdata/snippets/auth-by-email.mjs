const url = new URL(
    "https://klik.social/api/v1/auth-by-email"
);

const headers = {
    "X-API-KEY": "string required Internal API key.",
    "Content-Type": "application/json",
    "Accept": "application/json",
};

let body = {
    "email": "[email protected]",
    "name": "Jane Doe",
    "created_from": "external-project"
};

fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
}).then(response => response.json());
