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
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { replaceStoredKey } from '../gallery/src/api/sign-in.js';
import { otherTabs } from '../gallery/src/api/tabs.js';
import { examples } from './examples.js';
import { fetcher, SIGNED_OUT } from './fetcher.js';
import { withoutHeaders } from './storage.js';

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

/** Says where to sign in, once a request was not authenticated. */
function SignInHint() {
  const [wanted, setWanted] = useState(false);
  useEffect(() => {
    const show = () => setWanted(true);
    addEventListener(SIGNED_OUT, show);
    return () => removeEventListener(SIGNED_OUT, show);
  }, []);
  if (!wanted) return null;
  return <p className="sign-in">Requests need an API key: <a href="./">sign in</a>, or set Authorization under Headers.</p>;
}

otherTabs(document.baseURI, () => location.reload());
await replaceStoredKey(document.baseURI);

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
    shouldPersistHeaders={false}
    storage={withoutHeaders()}
  >
    <FollowSystemTheme />
    <GraphiQL.Footer><SignInHint /></GraphiQL.Footer>
  </GraphiQL>,
);
