const text = await (await fetch("http://localhost/docs/asset/swagger-ui-bundle.js")).text();
const nothing = () => {};
const element = { style: {}, setAttribute: nothing, appendChild: nothing, removeAttribute: nothing };
const document = { createElement: () => element, addEventListener: nothing, documentElement: element, head: element, body: element, querySelector: () => null, getElementsByTagName: () => [], createTextNode: () => element, implementation: { createHTMLDocument: () => document }, nodeType: 9 };
const window = { document, location: new URL("http://localhost/api/v2"), navigator: { userAgent: "" }, addEventListener: nothing, File: class {}, FormData, URL, setTimeout, clearTimeout };
const run = new Function("window", "document", "self", "module", "exports", "define", text + "; return typeof SwaggerUIBundle !== 'undefined' ? SwaggerUIBundle : (window.SwaggerUIBundle ?? self.SwaggerUIBundle)");
const bundle = run(window, document, window, undefined, undefined, undefined);
console.log("SwaggerUIBundle is a " + typeof bundle);
