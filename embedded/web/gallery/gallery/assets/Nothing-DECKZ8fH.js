import{t as e}from"./preact-BR9mOoe1.js";import{C as t,V as n,i as r,j as i,z as a}from"./index-FauPv0td.js";import{t as o}from"./Pictures-DhlJz9Gi.js";var s=3;async function c(e,t){let n=t.toLowerCase(),r=(await Promise.all([...new Set([n.slice(0,3),n.slice(0,1),``])].map(t=>e.ask(i,{prefix:t})))).flatMap(({labels:e})=>e.edges.map(({node:e})=>e.name)),a=Math.max(2,Math.floor(n.length/2));return[...new Set(r)].map(e=>({each:e,distance:l(n,e.toLowerCase())})).filter(({distance:e})=>e<=a).sort((e,t)=>e.distance-t.distance).slice(0,s).map(({each:e})=>e)}function l(e,t){if(e.length>2&&(t.includes(e)||e.includes(t)))return 1;let n=Array.from({length:t.length+1},(e,t)=>t);for(let r=1;r<=e.length;r+=1){let i=[r];for(let a=1;a<=t.length;a+=1)i.push(Math.min(n[a]+1,i[a-1]+1,n[a-1]+(e[r-1]===t[a-1]?0:1)));n=i}return n[t.length]}function u({app:n}){let{collection:i}=n,a=i.search.value,{labels:o,least:s}=a;if(!i.complete.value||i.length.value)return null;let c=t(a);if(!o.length&&!c)return r(d,{text:`No pictures yet.`,hint:`Drop pictures here, paste one, or choose Upload.`});if(!o.length)return r(d,{text:`No picture meets the filters.`,hint:`Reset the filters, or try others.`});let l=`${o.length>1?`labels`:`label`} ${o.join(` and `)}`,u=s>0?` with a confidence of ${s}% or more`:``,m=[o.length>1?`fewer labels`:`another label`,...u?[`a lower confidence`]:[],...c?[`other filters`]:[]].join(` or `);return r(d,{text:`No picture${c?` that meets the filters`:``} has the ${l}${u}.`,hint:`Try ${m}.`,children:[r(f,{app:n}),o.length===1&&!c&&r(e,{children:[r(p,{app:n,operation:`
  
  fragment Tile on Blob {
    id
    status
    contentType
    createdAt
    labels { name confidence parents confirmedAt }
    failure { code message }
    thumbnailUrl
    downloadUrl
  }

  query Named($text: String!) {
    found: blobs(filter: { fileNamePrefix: $text }, orderBy: FILE_NAME, first: 12) { nodes { ...Tile } }
  }
`,heading:`Files named ${o[0]} …`,text:o[0]}),r(p,{app:n,operation:`
  
  fragment Tile on Blob {
    id
    status
    contentType
    createdAt
    labels { name confidence parents confirmedAt }
    failure { code message }
    thumbnailUrl
    downloadUrl
  }

  query Described($text: String!) {
    found: search(text: $text, first: 12) { nodes { ...Tile } }
  }
`,heading:`Pictures described by “${o[0]}”`,text:o[0]})]})]})}function d({text:e,hint:t,children:n}){return r(`div`,{id:`nothing`,children:[r(`p`,{id:`nothing-text`,children:e}),n,r(`p`,{id:`nothing-hint`,children:t})]})}function f({app:e}){let t=a([]),{labels:i}=e.collection.search.value,o=i.filter(t=>e.collection.meant.value.get(t)===null);return n(()=>{let n=!0;return t.value=[],Promise.all(o.map(async t=>({name:t,nearest:await c(e.client,t)}))).then(e=>{n&&(t.value=e.filter(({nearest:e})=>e.length))},()=>{}),()=>{n=!1}},[o.join()]),t.value.map(({name:t,nearest:n})=>r(`p`,{class:`nearest`,children:[`Instead of `,t,`: `,n.map(n=>r(`button`,{type:`button`,onClick:()=>e.search({labels:i.map(e=>e===t?n:e)}),children:n},n))]},t))}function p({app:e,operation:t,heading:i,text:s}){let c=a([]);return n(()=>{let n=!0;return c.value=[],e.client.ask(t,{text:s}).then(e=>{n&&(c.value=e.found?.nodes??[])},()=>{}),()=>{n=!1}},[s]),r(o,{heading:i,found:c.value})}export{u as Nothing};