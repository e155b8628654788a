import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// BASE_PATH is the path below which the app is served; the platform sets it for the build.
export default defineConfig({
  base: process.env.BASE_PATH ?? '/',
  plugins: [react()],
  server: { host: true, port: Number(process.env.PORT ?? 3000) },
})
