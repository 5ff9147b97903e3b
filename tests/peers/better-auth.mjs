// better-auth with SQLite in the process. The last code is at /code.
import { betterAuth } from "better-auth"
import { getMigrations } from "better-auth/db/migration"
import { phoneNumber } from "better-auth/plugins"
import Database from "libsql"
import { SqliteDialect } from "kysely"

let lastCode
const auth = betterAuth({
  baseURL: "http://localhost",
  secret: "a-secret-of-the-benchmark-0123456789",
  database: { dialect: new SqliteDialect({ database: new Database(":memory:") }), type: "sqlite" },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    phoneNumber({
      sendOTP: ({ code }) => {
        lastCode = code
      },
      signUpOnVerification: {
        getTempEmail: (phone) => `${phone.slice(1)}@example.com`,
        getTempName: (phone) => phone,
      },
    }),
  ],
})
const { runMigrations } = await getMigrations(auth.options)
await runMigrations()

export const handler = (request) =>
  new URL(request.url).pathname === "/code" ? new Response(lastCode) : auth.handler(request)
