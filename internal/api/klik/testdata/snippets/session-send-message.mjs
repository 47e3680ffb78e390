const url = new URL(
    "https://klik.social/api/v1/ffd7f83e-06c3-47c8-a6a1-dd943da13b5f/send-message"
);

const headers = {
    "Authorization": "Bearer {YOUR_AUTH_KEY}",
    "Content-Type": "application/json",
    "Accept": "application/json",
};

let body = {
    "mobile": "919999999999",
    "message": "Hello buddy",
    "image": "iVBORw0KGgoAAA..."
};

fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
}).then(response => response.json());
