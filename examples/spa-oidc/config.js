// What the page knows about TwoStep. None of it is a secret.
export const issuer = "http://localhost:9000";
export const clientId = "change-me";
