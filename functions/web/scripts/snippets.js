// How common software is told about a client. See docs/integrate.md.

/** @typedef {import("./api.js").Client} Client */
/** @typedef {{issuer: string, id: string, secret: string, redirect: string}} Values */

const SECRET = "<client secret>";
const REDIRECT = "https://example.com/callback";

/** @param {string[]} lines */
const text = (...lines) => lines.join("\n");

const discovery = (/** @type {Values} */ { issuer }) => `${issuer}/.well-known/openid-configuration`;

/** The software, with the kinds of clients that it can be. @type {{id: string, name?: string, kinds: Client["kind"][], write: (values: Values, kind: Client["kind"]) => string}[]} */
export const STACKS = [
  {
    id: "environment",
    kinds: ["web", "spa", "native", "server"],
    write: (values, kind) =>
      text(
        `ISSUER=${values.issuer}`,
        ...(kind === "server" ? [] : [`DISCOVERY=${discovery(values)}`]),
        `CLIENT_ID=${values.id}`,
        ...(kind === "web" || kind === "server" ? [`CLIENT_SECRET=${values.secret}`] : []),
      ),
  },
  {
    id: "authlib",
    name: "Flask, Django (Authlib)",
    kinds: ["web"],
    write: (values) =>
      text(
        "oauth.register(",
        '    "twostep",',
        `    server_metadata_url="${discovery(values)}",`,
        `    client_id="${values.id}",`,
        `    client_secret="${values.secret}",`,
        '    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},',
        ")",
      ),
  },
  {
    id: "openid-client",
    name: "Node.js (openid-client)",
    kinds: ["web"],
    write: (values) =>
      text(
        'import * as client from "openid-client";',
        "",
        `const config = await client.discovery(new URL("${values.issuer}"), "${values.id}", "${values.secret}");`,
      ),
  },
  {
    id: "apache",
    name: "Apache (mod_auth_openidc)",
    kinds: ["web"],
    write: (values) =>
      text(
        `OIDCProviderMetadataURL ${discovery(values)}`,
        `OIDCClientID ${values.id}`,
        `OIDCClientSecret ${values.secret}`,
        `OIDCRedirectURI ${values.redirect}`,
        'OIDCScope "openid profile email"',
        "OIDCPKCEMethod S256",
      ),
  },
  {
    id: "spring",
    name: "Spring Boot (application.yaml)",
    kinds: ["web"],
    write: (values) =>
      text(
        "spring.security.oauth2.client:",
        "  provider.twostep:",
        `    issuer-uri: ${values.issuer}`,
        "  registration.twostep:",
        `    client-id: ${values.id}`,
        `    client-secret: ${values.secret}`,
        "    scope: openid,profile,email",
      ),
  },
  {
    id: "grafana",
    name: "Grafana (grafana.ini)",
    kinds: ["web"],
    write: (values) =>
      text(
        "[auth.generic_oauth]",
        "enabled = true",
        `client_id = ${values.id}`,
        `client_secret = ${values.secret}`,
        "scopes = openid profile email",
        "use_pkce = true",
        `auth_url = ${values.issuer}/oauth/authorize`,
        `token_url = ${values.issuer}/oauth/token`,
        `api_url = ${values.issuer}/oauth/userinfo`,
      ),
  },
  {
    id: "oauth4webapi",
    name: "JavaScript (oauth4webapi)",
    kinds: ["spa", "native"],
    write: (values) =>
      text(
        'import * as oauth from "oauth4webapi";',
        "",
        `const issuer = new URL("${values.issuer}");`,
        "const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));",
        `const client = { client_id: "${values.id}" };`,
        "const authenticate = oauth.None();",
      ),
  },
  {
    id: "curl",
    name: "curl",
    kinds: ["server"],
    write: (values) =>
      text(
        `curl --user '${values.id}:${values.secret}' \\`,
        `  --json '{"phone": "+14155550100"}' \\`,
        `  ${values.issuer}/v1/verifications`,
      ),
  },
];

/** @param {string} stack @param {string} issuer @param {Client} client */
export function snippet(stack, issuer, client) {
  const { client_id: id, client_secret: secret = SECRET, kind, redirect_uris: [redirect = REDIRECT] } = client;
  return STACKS.find((each) => each.id === stack)?.write({ issuer, id, secret, redirect }, kind) ?? "";
}
