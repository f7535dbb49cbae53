import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RULE = '='.repeat(78);
const NOTICES = /^(licen[cs]e|copying|notice|third-?party-?notices)([.-].*)?$/i;

/** The folder of the package a module belongs to, or null for our own files. */
function packageOf(id) {
  const file = id.replace(/^\0/, '').replace(/\?.*$/, '');
  const found = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file);
  return found && existsSync(join(found[0], 'package.json')) ? found[0] : null;
}

/** Packages published without the licence file of the repository they come from. */
const SAME_REPOSITORY = {
  '@graphiql/plugin-doc-explorer': 'graphiql',
  '@graphiql/plugin-history': 'graphiql',
  'react-compiler-runtime': 'react',
  'react-remove-scroll-bar': 'react-remove-scroll',
};

function licenceTexts(folder, name) {
  const own = readdirSync(folder).filter((file) => NOTICES.test(file)).sort();
  if (own.length) return own.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  const sibling = SAME_REPOSITORY[name];
  if (!sibling) throw new Error(`${folder}: no licence text to ship`);
  return licenceTexts(fileURLToPath(new URL(`node_modules/${sibling}`, import.meta.url)), sibling);
}

/** Lists every package that leaves a module in the output, with its licence. */
export function licences() {
  const folders = new Set();
  return {
    collect: () => ({
      name: 'licences-collect',
      generateBundle(_options, bundle) {
        for (const chunk of Object.values(bundle)) {
          for (const [id, module] of Object.entries(chunk.modules ?? {})) {
            const folder = packageOf(id);
            if (folder && (module.renderedLength || /\.css$/.test(id))) folders.add(folder);
          }
        }
      },
    }),
    write: () => ({
      name: 'licences-write',
      enforce: 'post',
      generateBundle: {
        order: 'post',
        handler() {
          const entries = [...folders].map((folder) => {
            const { name, version, license } = JSON.parse(
              readFileSync(join(folder, 'package.json'), 'utf8'),
            );
            return { name, version, license, body: licenceTexts(folder, name).join('\n\n') };
          });
          entries.sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
          const head = 'The files beside this one contain code of these packages.\n';
          const list = entries.map((e) => `- ${e.name} ${e.version} (${e.license})`).join('\n');
          const bodies = entries
            .map((e) => `${RULE}\n${e.name} ${e.version} (${e.license})\n${RULE}\n\n${e.body}\n`)
            .join('\n');
          this.emitFile({
            type: 'asset',
            fileName: 'THIRD-PARTY-LICENSES.txt',
            source: `${head}\n${list}\n\n${bodies}`.replace(/\r\n/g, '\n').replace(/[ \t]+$/gm, ''),
          });
        },
      },
    }),
  };
}
