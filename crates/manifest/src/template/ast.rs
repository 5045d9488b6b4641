//! What a template means once it is parsed. Lives as long as the manifest and is only read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::buffer::Text;

/// A whole template with the named templates that it defines.
pub(super) struct Program {
    /// The template as written: literal text and the places of errors refer to it.
    pub(super) source: Arc<str>,
    /// What is rendered.
    pub(super) main: Vec<Node>,
    /// Bodies of `define` and `block`.
    pub(super) named: BTreeMap<Arc<str>, Vec<Node>>,
}

/// One step of rendering.
pub(super) enum Node {
    /// Literal text: a range of [`Program::source`].
    Text(Range<usize>),
    /// `{{ pipeline }}`.
    Action(Pipe),
    /// `if` with all its `else if`.
    If(Box<Branches>),
    /// `with` with all its `else with`.
    With(Box<Branches>),
    /// `range`.
    Range(Box<Loop>),
    /// `{{ break }}`.
    Break,
    /// `{{ continue }}`.
    Continue,
    /// `{{ template "name" pipeline }}`, and where a `block` stands.
    Call(Box<Call>),
}

/// Conditions with their bodies, tried in order. Kept flat, so that a long chain of `else if` is no deep tree.
pub(super) struct Branches {
    pub(super) arms: Vec<(Pipe, Vec<Node>)>,
    pub(super) otherwise: Vec<Node>,
}

/// A `range`.
pub(super) struct Loop {
    pub(super) over: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// A call of a named template.
pub(super) struct Call {
    pub(super) at: usize,
    pub(super) name: Arc<str>,
    pub(super) argument: Option<Pipe>,
}

/// Commands whose results flow from left to right, perhaps into variables.
pub(super) struct Pipe {
    pub(super) at: usize,
    /// Names with their `$`; at most two, and two only in a `range`.
    pub(super) variables: Box<[Arc<str>]>,
    /// `=` instead of `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Box<[Command]>,
}

/// An operand or function with its arguments; never empty.
pub(super) type Command = Box<[Expr]>;

/// An operand and its place in the source.
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) kind: ExprKind,
}

/// Kinds of operands.
pub(super) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    /// `.a.b`.
    Field(Fields),
    /// `$x.a.b`.
    Variable(Arc<str>, Fields),
    Function(Function),
    Pipe(Box<Pipe>),
    /// `(pipeline).a.b`.
    Chain(Box<Expr>, Fields),
}

/// Names of a field chain, outermost first.
pub(super) type Fields = Box<[Arc<str>]>;

/// Every function of either dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Pem,
    Hex,
    Raw,
    Base64,
    String,
    And,
    Or,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Html,
    Js,
    UrlQuery,
    Call,
}

impl Function {
    const ALL: [(&'static str, Self); 24] = [
        ("pem", Self::Pem),
        ("hex", Self::Hex),
        ("raw", Self::Raw),
        ("base64", Self::Base64),
        ("string", Self::String),
        ("and", Self::And),
        ("or", Self::Or),
        ("not", Self::Not),
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("lt", Self::Lt),
        ("le", Self::Le),
        ("gt", Self::Gt),
        ("ge", Self::Ge),
        ("len", Self::Len),
        ("index", Self::Index),
        ("slice", Self::Slice),
        ("print", Self::Print),
        ("printf", Self::Printf),
        ("println", Self::Println),
        ("html", Self::Html),
        ("js", Self::Js),
        ("urlquery", Self::UrlQuery),
        ("call", Self::Call),
    ];

    /// The function of this name in any dialect.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Its name in a template.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    /// Fewest and most arguments.
    pub(super) fn arity(self) -> (usize, usize) {
        match self {
            Self::Pem | Self::Hex | Self::Raw | Self::Base64 | Self::String | Self::Not | Self::Len => (1, 1),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => (2, 2),
            Self::Eq => (2, usize::MAX),
            Self::Slice => (1, 4),
            Self::And | Self::Or | Self::Index | Self::Printf | Self::Call => (1, usize::MAX),
            Self::Print | Self::Println | Self::Html | Self::Js | Self::UrlQuery => (0, usize::MAX),
        }
    }
}
