import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

import { licences } from './licences.js';
import { optionalFields } from './optional-fields.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const used = licences();

export default defineConfig({
  root: here('.'),
  // Relative, because a proxy may offer the service below a path.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  plugins: [optionalFields(), used.collect(), used.write()],
  worker: { format: 'iife', plugins: () => [optionalFields(), used.collect()] },
  resolve: {
    // Smaller modules of our own in place of whole libraries.
    alias: [
      { find: /^(monaco-graphql\/esm|\.)\/monaco-editor(\.js)?$/, replacement: here('monaco.js') },
      { find: /^prettier\/(parser-babel|plugins\/estree)$/, replacement: here('jsonc-format.js') },
      { find: /^prettier\/parser-graphql$/, replacement: 'prettier/plugins/graphql' },
    ],
  },
  build: {
    outDir: here('../../embedded/web/graphiql'),
    emptyOutDir: true,
    assetsDir: 'graphiql/assets', // as seen from the page's address, /graphql
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4096,
    sourcemap: false,
    target: 'es2022',
    rolldownOptions: {
      // A hint to a compiler that has already run over the package.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
});
