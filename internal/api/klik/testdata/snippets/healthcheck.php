$client = new \GuzzleHttp\Client();
$url = 'https://klik.social/api/healthcheck';
$response = $client->get($url);
$body = $response->getBody();
print_r(json_decode((string) $body));
