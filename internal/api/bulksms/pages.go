package bulksms

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tidings.dev/internal/api"
)

// specification is where the OpenAPI document is, besides its place below /docs/bulksms/.
const specification = "/docs/api-docs.json"

// assets are the files of Swagger UI, under gzip (swagger/LICENSE.txt).
//
//go:embed swagger/*.gz
var assets embed.FS

// swaggerPage shows the document. All that it needs comes from here.
const swaggerPage = `<!doctype html>
<html lang="en-US">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>SMS API</title>
<link rel="stylesheet" href="/docs/asset/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/docs/asset/swagger-ui-bundle.js"></script>
<script src="/docs/asset/swagger-initializer.js"></script>
</html>
`

// starter starts Swagger UI. It asks nobody else whether the document is valid.
const starter = `window.ui = SwaggerUIBundle({
  url: "` + specification + `",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  oauth2RedirectUrl: window.location.origin + "/api/oauth2-callback"
});
`

// callbackPage is the document's, to the byte.
const callbackPage = `<!doctype html>
<html lang="en-US">
<body>
<script src="oauth2-redirect.js"></script>
</body>
</html>
`

// policy lets a page load and ask only what is here (Content Security Policy).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// pages registers what people look at.
func pages(k *api.Kit) {
	k.Handle("GET /api/v2", page(swaggerPage))
	k.Handle("GET /api/v2/{$}", page(swaggerPage))
	k.Handle("GET /api/oauth2-callback", page(callbackPage))
	k.Handle("GET /api/oauth2-redirect.js", asset("oauth2-redirect.js", "text/javascript; charset=UTF-8"))
	k.Handle("GET /docs/asset/swagger-ui-bundle.js", asset("swagger-ui-bundle.js", "text/javascript; charset=UTF-8"))
	k.Handle("GET /docs/asset/swagger-ui.css", asset("swagger-ui.css", "text/css; charset=UTF-8"))
	k.Handle("GET /docs/asset/swagger-initializer.js", func(w http.ResponseWriter, _ *http.Request) error {
		return api.Write(w, "text/javascript; charset=UTF-8", http.StatusOK, []byte(starter))
	})
}

func page(text string) api.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		return api.Write(w, "text/html; charset=UTF-8", http.StatusOK, []byte(text))
	}
}

// asset hands a file over as it is stored to who takes gzip, and unpacked to who does not.
func asset(name, mediaType string) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		packed, err := assets.Open("swagger/" + name + ".gz")
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		defer func() { _ = packed.Close() }()
		h := w.Header()
		h.Set("Content-Type", mediaType)
		h.Set("Cache-Control", "public, max-age=86400")
		h.Add("Vary", "Accept-Encoding")
		var text io.Reader = packed
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
		} else if text, err = gzip.NewReader(packed); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
		_, _ = io.Copy(w, text) //nolint:gosec // the file is our own; a caller who has gone needs no reply
		return nil
	}
}
