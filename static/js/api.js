// The description of the API, to read and to try: in the name of whoever is signed in.
const place = document.querySelector("#api");
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = document.querySelector("[name=csrfmiddlewaretoken]").value;
    return request;
  },
});
