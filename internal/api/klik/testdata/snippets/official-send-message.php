$client = new \GuzzleHttp\Client();
$url = 'https://klik.social/api/v1/official-device/send-message';
$response = $client->post(
    $url,
    [
        'headers' => [
            'Authorization' => 'Bearer {YOUR_AUTH_KEY}',
            'Content-Type' => 'application/json',
        ],
        'json' => [
            'mobile' => '919999999999',
            'message' => 'Hello buddy',
            'image' => 'iVBORw0KGgoAAA...',
        ],
    ]
);
$body = $response->getBody();
print_r(json_decode((string) $body));
