// The operations of parts that are loaded on demand: not among the first bytes of the page.
import { TILE } from './operations.js';

export const NAMED = /* GraphQL */ `
  ${TILE}
  query Named($text: String!) {
    found: blobs(filter: { fileNamePrefix: $text }, orderBy: FILE_NAME, first: 12) { nodes { ...Tile } }
  }
`;

export const DESCRIBED = /* GraphQL */ `
  ${TILE}
  query Described($text: String!) {
    found: search(text: $text, first: 12) { nodes { ...Tile } }
  }
`;

export const DOWNLOADS = /* GraphQL */ `
  query Downloads($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob { id fileName contentType createdAt sizeBytes downloadUrl }
    }
  }
`;

// What a change of many pictures needs to know: their names, and the decisions that an undo brings back.
export const CHANGEABLE = /* GraphQL */ `
  query Changeable($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Blob {
        id status fileName rejectedLabels
        labels { name source confirmedAt instances { boundingBox { left top width height } } }
      }
    }
  }
`;

// What `labelling export` writes.
export const EXPORT = /* GraphQL */ `
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
`;

export const EXPLORE = /* GraphQL */ `
  ${TILE}
  query Explore($after: String) {
    labels(orderBy: BLOB_COUNT, first: 60, after: $after) {
      nodes { name blobCount categories cover { ...Tile } }
      pageInfo { hasNextPage endCursor }
    }
    failed: blobs(filter: { status: [FAILED] }, first: 1) { totalCount nodes { id } }
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

const CORRECTION = /* GraphQL */ `
  fragment Correction on CorrectBlobsResult {
    __typename
    ... on CorrectedBlobs { outcomes { __typename ... on Error { message } ... on WrongState { status } } }
    ... on Error { message }
  }
`;

export const ADD_LABELS = /* GraphQL */ `
  ${CORRECTION}
  mutation AddLabels($ids: [ID!]!, $labels: [LabelInput!]!) {
    addLabels(ids: $ids, labels: $labels) { ...Correction }
  }
`;

export const REMOVE_LABELS = /* GraphQL */ `
  ${CORRECTION}
  mutation RemoveLabels($ids: [ID!]!, $names: [String!]!) {
    removeLabels(ids: $ids, names: $names) { ...Correction }
  }
`;

export const CONFIRM_LABELS = /* GraphQL */ `
  ${CORRECTION}
  mutation ConfirmLabels($ids: [ID!]!, $names: [String!]!) {
    confirmLabels(ids: $ids, names: $names) { ...Correction }
  }
`;

export const RESET_LABELS = /* GraphQL */ `
  ${CORRECTION}
  mutation ResetLabels($ids: [ID!]!, $names: [String!]!) {
    resetLabels(ids: $ids, names: $names) { ...Correction }
  }
`;

export const RELABEL = /* GraphQL */ `
  mutation Relabel($ids: [ID!]!) {
    relabelBlobs(ids: $ids) {
      __typename
      ... on RelabelledBlobs { outcomes { __typename ... on Error { message } ... on WrongState { status } } }
      ... on Error { message }
    }
  }
`;

export const REDELIVER = /* GraphQL */ `
  mutation Redeliver($id: ID!) {
    redeliverWebhook(deliveryId: $id) {
      __typename
      ... on Error { message }
    }
  }
`;

export const UPDATE_FACTS = /* GraphQL */ `
  mutation UpdateFacts($id: ID!, $input: UpdateBlobInput!) {
    updateBlob(blobId: $id, input: $input) {
      __typename
      ... on InvalidInput { problems { path message } }
      ... on ExternalIdTaken { blobId }
      ... on Error { message }
    }
  }
`;

export const VIEWER = /* GraphQL */ `
  query Viewer { viewer { owner } }
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
