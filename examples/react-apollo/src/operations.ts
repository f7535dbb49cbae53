// The operations, with the types that schema.graphql gives them.
import { initGraphQLTada } from 'gql.tada';

import type { introspection } from './schema.d.ts';

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string; Url: string } }>();

export const CREATE = graphql(`
  mutation Create($input: CreateUploadInput!) {
    createUpload(input: $input) {
      __typename
      ... on CreatedUpload {
        blob { id }
        target { method url headers { name value } }
      }
      ... on Error { message }
    }
  }
`);

export const EVENTS = graphql(`
  subscription Events($id: ID!) {
    blobEvents(filter: { blobIds: [$id] }) {
      kind
      blob { id labels { name confidence } failure { message } }
    }
  }
`);
