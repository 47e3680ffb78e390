require "openssl"

# verify tells whether a post is from us. body is the request's body as it came, byte for byte.
def verify(secret, headers, body)
  id, time, signatures = headers.values_at("webhook-id", "webhook-timestamp", "webhook-signature").map(&:to_s)
  return false unless time.match?(/\A\d+\z/) && (Time.now.to_i - time.to_i).abs <= 300 # old posts may be someone's who has listened

  key = secret.delete_prefix("whsec_").unpack1("m")
  want = "v1," + [OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{time}.".b + body.b)].pack("m0")
  signatures.split(" ").any? { |have| have.bytesize == want.bytesize && OpenSSL.fixed_length_secure_compare(have, want) }
end

# To try it: the headers come from the environment, the body from the standard input.
if __FILE__ == $PROGRAM_NAME
  headers = {
    "webhook-id" => ENV["WEBHOOK_ID"],
    "webhook-timestamp" => ENV["WEBHOOK_TIMESTAMP"],
    "webhook-signature" => ENV["WEBHOOK_SIGNATURE"],
  }
  exit verify(ENV.fetch("WEBHOOK_SECRET"), headers, $stdin.binmode.read)
end
