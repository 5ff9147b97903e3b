// The loop of Lambda's Node runtime, for one of the peers: node runtime.mjs NAME
const { handler } = await import(`./${process.argv[2]}.mjs`)
const invocations = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`
for (;;) {
  const next = await fetch(`${invocations}/next`)
  const { method, path, headers, body } = await next.json()
  const response = await handler(new Request(`http://localhost${path}`, { method, headers, body, redirect: "manual" }))
  const answer = {
    status: response.status,
    location: response.headers.get("location"),
    cookies: response.headers.getSetCookie(),
    body: await response.text(),
  }
  await fetch(`${invocations}/${next.headers.get("lambda-runtime-aws-request-id")}/response`, {
    method: "POST",
    body: JSON.stringify(answer),
  })
}
