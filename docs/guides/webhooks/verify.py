import base64
import hashlib
import hmac
import os
import sys
import time


def verify(secret, headers, body):
    """Tell whether a post is from us. body is the request's body as it came, byte for byte."""
    post_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False  # old posts may be someone's who has listened
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{post_id}.{timestamp}.".encode() + body
    want = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    return any(hmac.compare_digest(want, have.encode()) for have in signatures.split(" "))


# To try it: the headers come from the environment, the body from the standard input.
if __name__ == "__main__":
    names = {"webhook-id": "WEBHOOK_ID", "webhook-timestamp": "WEBHOOK_TIMESTAMP", "webhook-signature": "WEBHOOK_SIGNATURE"}
    given = {name: os.environ.get(variable, "") for name, variable in names.items()}
    sys.exit(0 if verify(os.environ["WEBHOOK_SECRET"], given, sys.stdin.buffer.read()) else 1)
