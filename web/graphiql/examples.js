const json = (value) => JSON.stringify(value, null, 2);

/** The tabs a first visit opens with. */
export const examples = [
  {
    query: `# Ask for a place to send a picture. PUT its
# bytes to target.url with target.headers;
# labelling starts by itself.
mutation CreateUpload($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload {
      blob {
        id
        status
      }
      target {
        method
        url
        headers {
          name
          value
        }
        expiresAt
        maxBytes
      }
    }
    ... on Error {
      message
    }
  }
}
`,
    variables: json({ input: { contentType: 'JPEG' } }),
  },
  {
    query: `# One picture. The id is in createUpload's answer.
# labels: null is not yet, [] is nothing found.
query Blob($id: ID!) {
  blob(id: $id) {
    id
    status
    contentType
    sizeBytes
    width
    height
    createdAt
    labelledAt
    labels {
      name
      confidence
      parents
    }
    failure {
      code
      message
    }
    downloadUrl
  }
}
`,
    variables: json({ id: '' }),
  },
  {
    query: `# Pictures that carry a label, newest first.
# For the next page, pass endCursor as after.
query BlobsByLabel(
  $label: String!
  $minConfidence: Float = 0
  $first: Int = 20
  $after: String
) {
  blobsByLabel(
    label: $label
    minConfidence: $minConfidence
    first: $first
    after: $after
  ) {
    edges {
      confidence
      node {
        id
        status
        createdAt
        downloadUrl
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: json({ label: 'Dog', minConfidence: 80 }),
  },
  {
    query: `# The labels in use: those of most pictures first, each with its newest picture.
query Labels(
  $prefix: String
  $first: Int = 20
  $after: String
) {
  labels(prefix: $prefix, orderBy: BLOB_COUNT, first: $first, after: $after) {
    nodes {
      name
      blobCount
      aliases
      categories
      cover {
        id
        thumbnailUrl
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: json({ first: 20 }),
  },
  {
    query: `# Each picture as soon as it is labelled.
# Runs until it is stopped.
subscription BlobEvents($filter: EventFilter) {
  blobEvents(filter: $filter) {
    kind
    at
    blob {
      id
      labels {
        name
        confidence
      }
    }
  }
}
`,
    variables: json({ filter: { kinds: ['LABELLED'] } }),
  },
];
