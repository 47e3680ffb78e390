import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Verify {
    /** Tells whether a post is from us. body is the request's body as it came, byte for byte. */
    static boolean verify(String secret, Map<String, String> headers, byte[] body) throws Exception {
        String id = headers.getOrDefault("webhook-id", "");
        String time = headers.getOrDefault("webhook-timestamp", "");
        String signatures = headers.getOrDefault("webhook-signature", "");
        if (!time.matches("[0-9]{1,12}") || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(time)) > 300) {
            return false; // old posts may be someone's who has listened
        }
        byte[] key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + time + ".").getBytes(StandardCharsets.UTF_8));
        byte[] want = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(StandardCharsets.UTF_8);
        boolean found = false;
        for (String have : signatures.split(" ")) {
            found |= MessageDigest.isEqual(have.getBytes(StandardCharsets.UTF_8), want);
        }
        return found;
    }

    /** To try it: the headers come from the environment, the body from the standard input. */
    public static void main(String[] args) throws Exception {
        Map<String, String> headers = Map.of(
            "webhook-id", System.getenv().getOrDefault("WEBHOOK_ID", ""),
            "webhook-timestamp", System.getenv().getOrDefault("WEBHOOK_TIMESTAMP", ""),
            "webhook-signature", System.getenv().getOrDefault("WEBHOOK_SIGNATURE", ""));
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        System.in.transferTo(body);
        System.exit(verify(System.getenv("WEBHOOK_SECRET"), headers, body.toByteArray()) ? 0 : 1);
    }
}
