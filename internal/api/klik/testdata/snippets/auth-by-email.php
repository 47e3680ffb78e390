$client = new \GuzzleHttp\Client();
$url = 'https://klik.social/api/v1/auth-by-email';
$response = $client->post(
    $url,
    [
        'headers' => [
            'X-API-KEY' => 'string required Internal API key.',
            'Content-Type' => 'application/json',
        ],
        'json' => [
            'email' => '[email protected]',
            'name' => 'Jane Doe',
            'created_from' => 'external-project',
        ],
    ]
);
$body = $response->getBody();
print_r(json_decode((string) $body));
