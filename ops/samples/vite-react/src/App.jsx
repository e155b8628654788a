import { useState } from 'react'

export default function App() {
  const [count, setCount] = useState(0)
  return (
    <main>
      <h1>It works</h1>
      <p>
        Change <code>src/App.jsx</code>, commit, push and deploy.
      </p>
      <button onClick={() => setCount(count + 1)}>Clicked {count} times</button>
    </main>
  )
}
