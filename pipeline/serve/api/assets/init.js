// A file of its own, because the page allows no inline script. Addresses are relative: a prefix may come first.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // swagger's own would send the document to another host
});
