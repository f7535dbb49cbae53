import './workers.js';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './page.css';
// GraphiQL loads its editors late; a tab chosen before they are there loses its variables.
import 'monaco-graphql/esm/lite.js';
import './monaco.js';

import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';
import { fetcher } from './fetcher.js';

/** Re-colours the editors when the system changes, unless the user chose a theme. */
function FollowSystemTheme() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    if (theme) return undefined;
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(null);
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
  }, [theme, setTheme]);
  return null;
}

// The first tab's variables come from the last visit, or from here: not from defaultTabs.
const firstVisit = localStorage.getItem('graphiql:tabState') === null;

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    defaultEditorToolsVisibility="variables"
    defaultTabs={examples}
    fetcher={fetcher}
    initialVariables={firstVisit ? examples[0].variables : undefined}
    schemaDescription
    shouldPersistHeaders
  >
    <FollowSystemTheme />
  </GraphiQL>,
);
