import{O as e}from"./index-B5Oyl2v5.js";var t=Object.defineProperty,n=((e,n)=>{let r={};for(var i in e)t(r,i,{get:e[i],enumerable:!0});return n||t(r,Symbol.toStringTag,{value:`Module`}),r})({SIMILAR:()=>y}),r=`
  ${e}
  query Named($text: String!) {
    found: blobs(filter: { fileNamePrefix: $text }, orderBy: FILE_NAME, first: 12) { nodes { ...Tile } }
  }
`,i=`
  ${e}
  query Described($text: String!) {
    found: search(text: $text, first: 12) { nodes { ...Tile } }
  }
`,a=`
  query Downloads($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob { id fileName contentType createdAt sizeBytes downloadUrl }
    }
  }
`,o=`
  query Changeable($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob {
        id status fileName rejectedLabels
        labels { name source confirmedAt instances { boundingBox { left top width height } } }
      }
    }
  }
`,s=`
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
`,c=`
  ${e}
  query Explore($after: String) {
    labels(orderBy: BLOB_COUNT, first: 60, after: $after) {
      nodes { name blobCount categories cover { ...Tile } }
      pageInfo { hasNextPage endCursor }
    }
    failed: blobs(filter: { status: [FAILED] }, first: 1) { totalCount nodes { id } }
  }
`,l=`
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
`,u=`
  fragment Correction on CorrectBlobsResult {
    __typename
    ... on CorrectedBlobs { outcomes { __typename ... on Error { message } ... on WrongState { status } } }
    ... on Error { message }
  }
`,d=`
  ${u}
  mutation AddLabels($ids: [ID!]!, $labels: [LabelInput!]!) {
    addLabels(ids: $ids, labels: $labels) { ...Correction }
  }
`,f=`
  ${u}
  mutation RemoveLabels($ids: [ID!]!, $names: [String!]!) {
    removeLabels(ids: $ids, names: $names) { ...Correction }
  }
`,p=`
  ${u}
  mutation ConfirmLabels($ids: [ID!]!, $names: [String!]!) {
    confirmLabels(ids: $ids, names: $names) { ...Correction }
  }
`,m=`
  ${u}
  mutation ResetLabels($ids: [ID!]!, $names: [String!]!) {
    resetLabels(ids: $ids, names: $names) { ...Correction }
  }
`,h=`
  mutation Relabel($ids: [ID!]!) {
    relabelBlobs(ids: $ids) {
      __typename
      ... on RelabelledBlobs { outcomes { __typename ... on Error { message } ... on WrongState { status } } }
      ... on Error { message }
    }
  }
`,g=`
  mutation Redeliver($id: ID!) {
    redeliverWebhook(deliveryId: $id) {
      __typename
      ... on Error { message }
    }
  }
`,_=`
  mutation UpdateFacts($id: ID!, $input: UpdateBlobInput!) {
    updateBlob(blobId: $id, input: $input) {
      __typename
      ... on InvalidInput { problems { path message } }
      ... on ExternalIdTaken { blobId }
      ... on Error { message }
    }
  }
`,v=`
  query Viewer { viewer { owner } }
`,y=`
  ${e}
  query Similar($id: ID!) {
    blob(id: $id) {
      copies: similar(kind: DUPLICATE, first: 12) { nodes { ...Tile } }
      similar(kind: SIMILAR, first: 12) { nodes { ...Tile } }
    }
  }
`;export{i as a,s as c,h as d,f,n as g,v as h,l as i,r as l,_ as m,o as n,a as o,m as p,p as r,c as s,d as t,g as u};