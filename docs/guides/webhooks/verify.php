<?php

// verify tells whether a post is from us. $body is the request's body as it came, byte for byte: file_get_contents("php://input").
function verify(string $secret, array $headers, string $body): bool
{
    $id = $headers["webhook-id"] ?? "";
    $time = $headers["webhook-timestamp"] ?? "";
    $signatures = $headers["webhook-signature"] ?? "";
    if (!ctype_digit($time) || abs(time() - (int) $time) > 300) {
        return false; // old posts may be someone's who has listened
    }
    $key = base64_decode(preg_replace("/^whsec_/", "", $secret));
    $want = "v1," . base64_encode(hash_hmac("sha256", "$id.$time.$body", $key, true));
    foreach (explode(" ", $signatures) as $have) {
        if (hash_equals($want, $have)) {
            return true;
        }
    }
    return false;
}

// To try it: the headers come from the environment, the body from the standard input.
$headers = [
    "webhook-id" => (string) getenv("WEBHOOK_ID"),
    "webhook-timestamp" => (string) getenv("WEBHOOK_TIMESTAMP"),
    "webhook-signature" => (string) getenv("WEBHOOK_SIGNATURE"),
];
exit(verify((string) getenv("WEBHOOK_SECRET"), $headers, stream_get_contents(STDIN)) ? 0 : 1);
