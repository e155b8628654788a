// Addresses are relative, so that the app works below any path.
const list = document.getElementById('notes')
const form = document.getElementById('new')

async function show() {
  const answer = await fetch('api/notes')
  const notes = answer.ok ? await answer.json() : []
  list.replaceChildren(...notes.map(item))
}

function item(note) {
  const entry = document.createElement('li')
  const remove = document.createElement('button')
  entry.textContent = note.text
  remove.textContent = 'Delete'
  remove.addEventListener('click', async () => {
    await fetch(`api/notes/${note._id}`, { method: 'DELETE' })
    await show()
  })
  entry.append(remove)
  return entry
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const text = new FormData(form).get('text')
  await fetch('api/notes', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  })
  form.reset()
  await show()
})

await show()
