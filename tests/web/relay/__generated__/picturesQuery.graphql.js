/**
 * @generated SignedSource<<55bc2e1ce636599b5e6ccb0ddcff56f2>>
 * @lightSyntaxTransform
 */

/* eslint-disable */

'use strict';

var node = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "label"
  }
],
v1 = {
  "kind": "Variable",
  "name": "label",
  "variableName": "label"
},
v2 = {
  "kind": "Literal",
  "name": "first",
  "value": 2
},
v3 = [
  (v2/*:: as any*/)
],
v4 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "confidence",
  "storageKey": null
},
v5 = {
  "alias": null,
  "args": null,
  "concreteType": "Blob",
  "kind": "LinkedField",
  "name": "node",
  "plural": false,
  "selections": [
    {
      "alias": null,
      "args": null,
      "kind": "ScalarField",
      "name": "id",
      "storageKey": null
    },
    {
      "alias": null,
      "args": null,
      "kind": "ScalarField",
      "name": "status",
      "storageKey": null
    },
    {
      "alias": null,
      "args": [
        {
          "kind": "Literal",
          "name": "minConfidence",
          "value": 50
        }
      ],
      "concreteType": "Label",
      "kind": "LinkedField",
      "name": "labels",
      "plural": true,
      "selections": [
        {
          "alias": null,
          "args": null,
          "kind": "ScalarField",
          "name": "name",
          "storageKey": null
        },
        (v4/*:: as any*/)
      ],
      "storageKey": "labels(minConfidence:50)"
    },
    {
      "alias": null,
      "args": null,
      "kind": "ScalarField",
      "name": "__typename",
      "storageKey": null
    }
  ],
  "storageKey": null
},
v6 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "cursor",
  "storageKey": null
},
v7 = {
  "alias": null,
  "args": null,
  "concreteType": "PageInfo",
  "kind": "LinkedField",
  "name": "pageInfo",
  "plural": false,
  "selections": [
    {
      "alias": null,
      "args": null,
      "kind": "ScalarField",
      "name": "endCursor",
      "storageKey": null
    },
    {
      "alias": null,
      "args": null,
      "kind": "ScalarField",
      "name": "hasNextPage",
      "storageKey": null
    }
  ],
  "storageKey": null
},
v8 = [
  (v2/*:: as any*/),
  (v1/*:: as any*/)
];
return {
  "fragment": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "picturesQuery",
    "selections": [
      {
        "args": null,
        "kind": "FragmentSpread",
        "name": "pictures_list"
      },
      {
        "args": [
          (v1/*:: as any*/)
        ],
        "kind": "FragmentSpread",
        "name": "pictures_found"
      }
    ],
    "type": "Query",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "picturesQuery",
    "selections": [
      {
        "alias": null,
        "args": (v3/*:: as any*/),
        "concreteType": "BlobConnection",
        "kind": "LinkedField",
        "name": "blobs",
        "plural": false,
        "selections": [
          {
            "alias": null,
            "args": null,
            "concreteType": "BlobEdge",
            "kind": "LinkedField",
            "name": "edges",
            "plural": true,
            "selections": [
              (v5/*:: as any*/),
              (v6/*:: as any*/)
            ],
            "storageKey": null
          },
          (v7/*:: as any*/)
        ],
        "storageKey": "blobs(first:2)"
      },
      {
        "alias": null,
        "args": (v3/*:: as any*/),
        "filters": null,
        "handle": "connection",
        "key": "pictures_blobs",
        "kind": "LinkedHandle",
        "name": "blobs"
      },
      {
        "alias": null,
        "args": (v8/*:: as any*/),
        "concreteType": "LabelledBlobConnection",
        "kind": "LinkedField",
        "name": "blobsByLabel",
        "plural": false,
        "selections": [
          {
            "alias": null,
            "args": null,
            "concreteType": "LabelledBlobEdge",
            "kind": "LinkedField",
            "name": "edges",
            "plural": true,
            "selections": [
              (v4/*:: as any*/),
              (v5/*:: as any*/),
              (v6/*:: as any*/)
            ],
            "storageKey": null
          },
          (v7/*:: as any*/)
        ],
        "storageKey": null
      },
      {
        "alias": null,
        "args": (v8/*:: as any*/),
        "filters": [
          "label"
        ],
        "handle": "connection",
        "key": "pictures_blobsByLabel",
        "kind": "LinkedHandle",
        "name": "blobsByLabel"
      }
    ]
  },
  "params": {
    "cacheID": "2526d4cd9c1e4fbcaa26af5070d382c9",
    "id": null,
    "metadata": {},
    "name": "picturesQuery",
    "operationKind": "query",
    "text": "query picturesQuery(\n  $label: String!\n) {\n  ...pictures_list\n  ...pictures_found_3ReFwg\n}\n\nfragment pictures_found_3ReFwg on Query {\n  blobsByLabel(label: $label, first: 2) {\n    edges {\n      confidence\n      node {\n        ...pictures_picture\n        id\n        __typename\n      }\n      cursor\n    }\n    pageInfo {\n      endCursor\n      hasNextPage\n    }\n  }\n}\n\nfragment pictures_list on Query {\n  blobs(first: 2) {\n    edges {\n      node {\n        ...pictures_picture\n        id\n        __typename\n      }\n      cursor\n    }\n    pageInfo {\n      endCursor\n      hasNextPage\n    }\n  }\n}\n\nfragment pictures_picture on Blob {\n  id\n  status\n  labels(minConfidence: 50) {\n    name\n    confidence\n  }\n}\n"
  }
};
})();

node.hash = "6e5ac2eaa24db0a638c9fd6c26481e87";

module.exports = node;
