// The rules that schema.graphql passes: those that @graphql-eslint recommends for schemas, and Relay's.
// https://the-guild.dev/graphql/eslint/rules
// From the repository: tests/web/node_modules/.bin/eslint -c tests/web/schema.eslint.mjs schema.graphql

import graphql from '@graphql-eslint/eslint-plugin';

const { rules: recommended } = graphql.configs['flat/schema-recommended'];
const { rules: relay } = graphql.configs['flat/schema-relay'];

const exceptions = {
  // Only nodes have ids, by the interface Node. Values (BoundingBox, Label), pages, results and errors
  // are no objects that a client could fetch again or keep apart in a cache.
  '@graphql-eslint/strict-id-in-types': 'off',
  // Lists page forward only: `last` and `before` would need a second index walk, and no client of a
  // list that is newest first has asked for them. Relay's clients need neither.
  '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
  // Connections also have `nodes`, as GitHub's do, and values such as headers are plain lists.
  '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
};

// Stricter than recommended: every field and argument has a description, not only types and root fields;
// a mutation returns an object, which can grow.
const stricter = {
  '@graphql-eslint/no-scalar-result-type-on-mutation': 'error',
  '@graphql-eslint/require-description': [
    'error',
    {
      types: true,
      rootField: true,
      FieldDefinition: true,
      InputValueDefinition: true,
      DirectiveDefinition: true,
    },
  ],
};

export default [
  {
    files: ['schema.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: 'schema.graphql' } },
    },
    plugins: { '@graphql-eslint': graphql },
    rules: { ...recommended, ...relay, ...exceptions, ...stricter },
  },
];
