import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

import { licences } from '../graphiql/licences.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const used = licences();

export default defineConfig({
  root: here('.'),
  // Relative, so that the files can lie anywhere on any host.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [used.collect(), used.write()],
  build: {
    outDir: here('../../embedded/web/gallery'),
    emptyOutDir: true,
    assetsDir: 'gallery/assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    sourcemap: false,
    target: 'es2022',
  },
});
