import express from 'express'
import { MongoClient, ObjectId } from 'mongodb'

// The platform gives each app a database of its own and its address in MONGODB_URI.
const client = new MongoClient(process.env.MONGODB_URI ?? 'mongodb://127.0.0.1:27017/notes', {
  maxPoolSize: 3,
  serverSelectionTimeoutMS: 5000,
})
const notes = client.db().collection('notes')

const app = express()
app.use(express.json({ limit: '64kb' }))
app.use(express.static('public'))
app.disable('x-powered-by')

app.get('/api/notes', async (request, response) => {
  response.json(await notes.find().sort({ _id: -1 }).limit(100).toArray())
})

app.post('/api/notes', async (request, response) => {
  const text = String(request.body?.text ?? '').trim()
  if (text === '') return response.status(422).json({ error: 'write something' })
  const note = { text: text.slice(0, 10_000), at: new Date() }
  await notes.insertOne(note)
  response.status(201).json(note)
})

app.delete('/api/notes/:id', async (request, response) => {
  if (!ObjectId.isValid(request.params.id)) return response.sendStatus(404)
  await notes.deleteOne({ _id: new ObjectId(request.params.id) })
  response.sendStatus(204)
})

app.get('/healthz', async (request, response) => {
  await client.db().command({ ping: 1 })
  response.json({ ok: true })
})

app.use((error, request, response, next) => {
  console.error(error)
  if (response.headersSent) return next(error)
  response.status(error.status ?? 503).json({ error: 'the database does not answer just now' })
})

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`listening on port ${port}`))

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => server.close(() => client.close().finally(() => process.exit(0))))
}
