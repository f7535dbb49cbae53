// What a tile shows.
const TILE = /* GraphQL */ `
  fragment Tile on Blob {
    id
    status
    createdAt
    labels { name confidence parents confirmedAt }
    failure { code message }
    thumbnailUrl
    downloadUrl
  }
`;

export const LIST = /* GraphQL */ `
  ${TILE}
  query List($filter: BlobFilter!, $first: Int!, $after: String) {
    page: blobs(filter: $filter, first: $first, after: $after) {
      nodes { ...Tile }
      pageInfo { hasNextPage endCursor }
      matchedLabels { name label { name } }
    }
  }
`;

export const TILES = /* GraphQL */ `
  ${TILE}
  query Tiles($ids: [ID!]!) {
    nodes(ids: $ids) { ...Tile }
  }
`;

export const PICTURE = /* GraphQL */ `
  query Picture($id: ID!) {
    blob(id: $id) {
      id
      status
      contentType
      sizeBytes
      width
      height
      createdAt
      labelledAt
      downloadUrl
      failure { code message }
      labels {
        name
        confidence
        parents
        source
        confirmedAt
        instances { confidence boundingBox { left top width height } }
      }
      detectedLabels { name confidence }
      rejectedLabels
      callback {
        id
        url
        status
        reason
        nextAttemptAt
        attempts { at responseStatus error durationMs }
      }
    }
  }
`;

// Copies of a picture, and others that look like it.
export const SIMILAR = /* GraphQL */ `
  ${TILE}
  query Similar($id: ID!) {
    blob(id: $id) {
      copies: similar(kind: DUPLICATE, first: 12) { nodes { ...Tile } }
      similar(kind: SIMILAR, first: 12) { nodes { ...Tile } }
    }
  }
`;

export const LABELS = /* GraphQL */ `
  query Labels($prefix: String!) {
    labels(prefix: $prefix, orderBy: BLOB_COUNT, first: 8) {
      edges { matchedWord node { name blobCount } }
    }
  }
`;

export const CREATE = /* GraphQL */ `
  mutation Create($input: CreateUploadInput!) {
    createUpload(input: $input) {
      __typename
      ... on CreatedUpload {
        blob { id status }
        target { method url headers { name value } }
      }
      ... on QuotaExceeded { retryAt }
      ... on InvalidInput { problems { field message } }
      ... on Error { message }
    }
  }
`;

const simple = (name, variable = 'blobId') => /* GraphQL */ `
  mutation Do($id: ID!) {
    ${name}(${variable}: $id) {
      __typename
      ... on Error { message }
    }
  }
`;

export const DELETE = simple('deleteBlob');
export const DELETE_ALL = /* GraphQL */ `
  mutation DeleteAll($ids: [ID!]!) {
    deleteBlobs(ids: $ids) { __typename }
  }
`;
const correction = (name, argument = 'names', type = '[String!]!') => /* GraphQL */ `
  mutation Correct($ids: [ID!]!, $${argument}: ${type}) {
    ${name}(ids: $ids, ${argument}: $${argument}) {
      __typename
      ... on CorrectedBlobs { outcomes { __typename ... on Error { message } } }
      ... on Error { message }
    }
  }
`;

export const ADD_LABELS = correction('addLabels', 'labels', '[LabelInput!]!');
export const REMOVE_LABELS = correction('removeLabels');
export const CONFIRM_LABELS = correction('confirmLabels');
export const RESET_LABELS = correction('resetLabels');
export const RELABEL = simple('relabelBlob');
export const REDELIVER = simple('redeliverWebhook', 'deliveryId');

export const EVENTS = /* GraphQL */ `
  ${TILE}
  subscription Events($filter: EventFilter!) {
    blobEvents(filter: $filter) { kind blobId blob { ...Tile } }
  }
`;
