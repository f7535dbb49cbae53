// What a tile shows.
export const TILE = /* GraphQL */ `
  fragment Tile on Blob {
    id
    status
    fileName
    contentType
    createdAt
    labels { name confidence parents confirmedAt }
    failure { code message }
    thumbnailUrl
    downloadUrl
    deletesAt
  }
`;

export const LIST = /* GraphQL */ `
  ${TILE}
  query List($filter: BlobFilter!, $orderBy: BlobOrder!, $first: Int!, $after: String) {
    page: blobs(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      totalCount
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
      fileName
      externalId
      metadata { key value }
      contentType
      sizeBytes
      width
      height
      createdAt
      labelledAt
      deletesAt
      thumbnailUrl
      previewUrl
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

export const LABELS = /* GraphQL */ `
  query Labels($prefix: String!) {
    labels(prefix: $prefix, orderBy: BLOB_COUNT, first: 8) {
      edges { matchedWord node { name blobCount } }
    }
  }
`;

export const DELETE = /* GraphQL */ `
  mutation Delete($ids: [ID!]!) {
    deleteBlobs(ids: $ids, input: { delaySeconds: 30 }) {
      __typename
      ... on DeletedBlobs { outcomes { __typename ... on Error { message } } }
      ... on Error { message }
    }
  }
`;

export const RESTORE = /* GraphQL */ `
  mutation Restore($ids: [ID!]!) {
    restoreBlobs(ids: $ids) {
      __typename
      ... on RestoredBlobs { outcomes { __typename ... on Error { message } } }
      ... on Error { message }
    }
  }
`;

export const REACH = /* GraphQL */ `
  query Reach { __typename }
`;

export const EVENTS = /* GraphQL */ `
  ${TILE}
  subscription Events($filter: EventFilter!) {
    blobEvents(filter: $filter) { kind blobId blob { ...Tile } }
  }
`;
