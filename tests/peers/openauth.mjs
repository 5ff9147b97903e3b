// OpenAuth with its DynamoDB storage. The last code is at /code.
import { issuer } from "@openauthjs/openauth"
import { CodeProvider } from "@openauthjs/openauth/provider/code"
import { DynamoStorage } from "@openauthjs/openauth/storage/dynamo"
import { createSubjects } from "@openauthjs/openauth/subject"
import { object, string } from "valibot"

let lastCode
const subjects = createSubjects({ user: object({ id: string() }) })
const app = issuer({
  subjects,
  storage: DynamoStorage({ table: "openauth", endpoint: process.env.AWS_ENDPOINT_URL_DYNAMODB }),
  providers: {
    code: CodeProvider({
      request: async () => new Response("Enter the code."),
      sendCode: async (_claims, code) => {
        lastCode = code
      },
    }),
  },
  allow: async () => true,
  success: async (context, value) => context.subject("user", { id: value.claims.phone }),
})

export const handler = (request) =>
  new URL(request.url).pathname === "/code" ? new Response(lastCode) : app.fetch(request)
