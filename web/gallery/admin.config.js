import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vite';

import { licences } from '../graphiql/licences.js';
import gallery from './vite.config.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const used = licences();

// A build of its own: the gallery's first load shares nothing with it.
export default defineConfig({
  ...mergeConfig(gallery, {
    build: {
      outDir: here('../../embedded/web/admin'),
      assetsDir: 'admin/assets',
      rolldownOptions: { input: here('admin.html') },
    },
  }),
  plugins: [used.collect(), used.write()],
});
