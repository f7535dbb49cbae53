const json = (value) => JSON.stringify(value, null, 2);

/** The tabs a first visit opens with. */
export const examples = [
  {
    query: `# Create an upload, then send a picture to target.url
# with target.headers, for example in a terminal:
# curl -T cat.jpg -H 'Content-Type: image/jpeg' 'URL'
# Then paste blob.id into the variables of the next tab.
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
    query: `# One picture; createUpload returned its id. labels is null
# until it is labelled, and [] if nothing was found.
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
    query: `# Your pictures, newest first. A filter chooses some:
# {"labels": {"any": ["dog"]}}, or by your own facts:
# {"metadata": [{"key": "album", "value": "Holidays 2026"}]}.
# For the next page, pass endCursor as after.
query Blobs(
  $filter: BlobFilter
  $first: Int = 20
  $after: String
) {
  blobs(filter: $filter, first: $first, after: $after) {
    nodes {
      id
      status
      createdAt
      fileName
      metadata {
        key
        value
      }
      labels {
        name
        confidence
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: json({ filter: {} }),
  },
  {
    query: `# Correct a picture: add labels that the detector missed.
# removeLabels removes wrong ones.
mutation AddLabels($ids: [ID!]!, $labels: [LabelInput!]!) {
  addLabels(ids: $ids, labels: $labels) {
    ... on CorrectedBlobs {
      outcomes {
        __typename
        ... on CorrectedBlob {
          blob {
            id
            labels {
              name
              confidence
            }
          }
        }
        ... on Error {
          message
        }
      }
    }
    ... on Error {
      message
    }
  }
}
`,
    variables: json({ ids: [''], labels: [{ name: 'Dog' }] }),
  },
  {
    query: `# The labels in use, most pictures first, each with its
# newest picture.
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
    query: `# Each picture as soon as it is labelled. It runs until
# you stop it.
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
