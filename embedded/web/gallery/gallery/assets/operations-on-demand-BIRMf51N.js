import{k as e}from"./index-AGuvLHcF.js";var t=`
  ${e}
  query Named($text: String!) {
    found: blobs(filter: { fileNamePrefix: $text }, orderBy: FILE_NAME, first: 12) { nodes { ...Tile } }
  }
`,n=`
  ${e}
  query Described($text: String!) {
    found: search(text: $text, first: 12) { nodes { ...Tile } }
  }
`,r=`
  query Downloads($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob { id fileName contentType createdAt sizeBytes downloadUrl }
    }
  }
`,i=`
  query Changeable($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob {
        id status fileName rejectedLabels
        labels { name source confirmedAt instances { boundingBox { left top width height } } }
      }
    }
  }
`,a=`
  query Export($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob {
        id status contentType sizeBytes sha256 width height createdAt labelledAt
        fileName externalId metadata { key value }
        detector { name version }
        failure { code message }
        labels {
          name confidence parents aliases categories source confirmedAt
          instances { confidence boundingBox { left top width height } }
        }
      }
    }
  }
`,o=`
  ${e}
  query Explore($after: String) {
    labels(orderBy: BLOB_COUNT, first: 60, after: $after) {
      nodes { name blobCount categories cover { ...Tile } }
      pageInfo { hasNextPage endCursor }
    }
    failed: blobs(filter: { status: [FAILED] }, first: 1) { totalCount nodes { id } }
  }
`,s=`
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
`,c=`
  fragment Correction on CorrectBlobsResult {
    __typename
    ... on CorrectedBlobs { outcomes { __typename ... on Error { message } ... on WrongState { status } } }
    ... on Error { message }
  }
`,l=`
  ${c}
  mutation AddLabels($ids: [ID!]!, $labels: [LabelInput!]!) {
    addLabels(ids: $ids, labels: $labels) { ...Correction }
  }
`,u=`
  ${c}
  mutation RemoveLabels($ids: [ID!]!, $names: [String!]!) {
    removeLabels(ids: $ids, names: $names) { ...Correction }
  }
`,d=`
  ${c}
  mutation ConfirmLabels($ids: [ID!]!, $names: [String!]!) {
    confirmLabels(ids: $ids, names: $names) { ...Correction }
  }
`,f=`
  ${c}
  mutation ResetLabels($ids: [ID!]!, $names: [String!]!) {
    resetLabels(ids: $ids, names: $names) { ...Correction }
  }
`,p=`
  mutation Relabel($ids: [ID!]!) {
    relabelBlobs(ids: $ids) {
      __typename
      ... on RelabelledBlobs { outcomes { __typename ... on Error { message } ... on WrongState { status } } }
      ... on Error { message }
    }
  }
`,m=`
  mutation Redeliver($id: ID!) {
    redeliverWebhook(deliveryId: $id) {
      __typename
      ... on Error { message }
    }
  }
`,h=`
  mutation UpdateFacts($id: ID!, $input: UpdateBlobInput!) {
    updateBlob(blobId: $id, input: $input) {
      __typename
      ... on InvalidInput { problems { path message } }
      ... on ExternalIdTaken { blobId }
      ... on Error { message }
    }
  }
`,g=`
  query Viewer { viewer { owner } }
`;export{n as a,a as c,p as d,u as f,g as h,s as i,t as l,h as m,i as n,r as o,f as p,d as r,o as s,l as t,m as u};