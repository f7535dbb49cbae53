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

// GraphiQL shows the first tab as it was last edited, and takes it for another tab when
// that differs from the tab itself: so a first visit begins with the example as the last edit.
if (localStorage.getItem('graphiql:tabState') === null) {
  localStorage.setItem('graphiql:query', examples[0].query);
  localStorage.setItem('graphiql:variables', examples[0].variables);
}

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    defaultEditorToolsVisibility="variables"
    defaultTabs={examples}
    fetcher={fetcher}
    schemaDescription
    shouldPersistHeaders
  >
    <FollowSystemTheme />
  </GraphiQL>,
);
