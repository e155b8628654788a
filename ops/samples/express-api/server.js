import express from 'express'

const app = express()
app.use(express.json())
app.disable('x-powered-by')

const started = new Date()
let greetings = 0

app.get('/', (request, response) => {
  response.type('html').send(`<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Express on Fun AI Studio</title>
<style>body { font: 1.1rem/1.5 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>It works</h1>
<p>Change <code>server.js</code>, commit, push and deploy.</p>
<p>Try <a href="api/hello?name=you">api/hello?name=you</a>.</p>
`)
})

app.get('/api/hello', (request, response) => {
  greetings += 1
  const name = String(request.query.name ?? 'world')
  const word = process.env.GREETING ?? 'Hello'
  response.json({ message: `${word}, ${name}!`, greetings, started })
})

app.get('/healthz', (request, response) => response.json({ ok: true }))

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`listening on port ${port}`))

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => server.close(() => process.exit(0)))
}
